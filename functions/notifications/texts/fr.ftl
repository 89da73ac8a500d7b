# Les textes des courriels en français.
# La valeur d'un message est l'objet ; ses attributs sont les parties du courriel. Une ligne vide commence un paragraphe.

greeting = Bonjour { $name },
greeting-anonymous = Bonjour,
signature = Bien à vous, l’équipe Tenantry
link-hint = Si le bouton ne fonctionne pas, copiez cette adresse dans votre navigateur :
help = Une question ? Écrivez à { $support }. De vraies personnes vous lisent et vous répondent.

verification = Veuillez confirmer votre adresse e-mail
    .preheader = Un clic, et vous pourrez mettre en ligne votre premier site.
    .title = Plus qu’un clic
    .body =
        Bienvenue chez Tenantry ! Confirmez que cette adresse est bien la vôtre, et vous pourrez déployer votre premier site.

        Le lien fonctionne une seule fois, pendant { $hours ->
            [one] une heure
           *[other] { $hours } heures
        }.
    .button = Confirmer mon adresse
    .note = Vous ne vous êtes pas inscrit ? Ignorez ce courriel : sans votre clic, il ne se passe rien.

welcome = Bienvenue chez Tenantry
    .preheader = Votre adresse est confirmée. Voici la suite.
    .title = Ravis de vous compter parmi nous
    .body =
        Votre adresse est confirmée et tout est prêt pour vous.

        Le meilleur premier pas prend une minute : choisissez un nom, et nous construisons votre site avec son stockage, son adresse et sa messagerie.
    .button = Déployer mon premier site
    .note = Vous recevez ce courriel une seule fois, parce que vous venez de confirmer votre adresse.

site-ready = { $fqdn } est en ligne
    .preheader = Votre site est construit et répond à son nom.
    .title = Votre site est en ligne
    .body =
        Bonne nouvelle : { $fqdn } est construit et répond à son nom. Le stockage et le DNS sont prêts eux aussi.

        Le domaine de messagerie de votre site est vérifié en arrière-plan ; cela peut prendre un moment, et vous n’avez rien à faire.
    .button = Ouvrir mon site
    .note = Vous recevez ce courriel parce qu’une personne de votre organisation a demandé ce site.

provisioning-failed = { $fqdn } n’est pas encore en ligne
    .preheader = Quelque chose s’est mal passé chez nous. Voici la suite.
    .title = Nous n’avons pas pu construire votre site
    .body = { $outcome ->
        [undone]
            Nous sommes désolés : { $fqdn } n’a pas pu être construit. Tout ce qui avait été commencé est défait, rien n’est facturé et le nom est de nouveau libre.

            Essayez encore une fois, s’il vous plaît. Si cela échoue à nouveau, indiquez-nous le numéro { $operation } et nous regardons aussitôt.
       *[waiting]
            Nous sommes désolés : la construction de { $fqdn } s’est arrêtée à une étape que notre équipe doit regarder. Elle est prévenue.

            Vous n’avez rien à faire : nous reprenons là où cela s’est arrêté et vous écrivons dès que votre site est en ligne. Pour toute question, mentionnez le numéro { $operation }.
    }
    .button = Voir où cela en est
    .note = Vous recevez ce courriel parce qu’une personne de votre organisation a demandé ce site.

contact-message = Contact : { $subject }
    .preheader = { $name } a écrit par le formulaire de contact.
    .title = Un message de { $name }
    .body = { $name } ({ $email }) a écrit par le formulaire de contact. Votre réponse à ce courriel lui parviendra.
    .note = Personne n’a vérifié que cette adresse est bien celle de l’auteur.
